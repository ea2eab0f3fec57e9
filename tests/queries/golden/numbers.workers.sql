SELECT nodes.name, nodes.queues, CAST(EXTRACT(epoch FROM statement_timestamp() - nodes.started_at) AS DOUBLE PRECISION) AS age, CAST(EXTRACT(epoch FROM statement_timestamp() - nodes.beat_at) AS DOUBLE PRECISION) AS beat
FROM gendurable.nodes ORDER BY nodes.name
