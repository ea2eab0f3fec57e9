SELECT gendurable.nodes.name, gendurable.nodes.queues, CAST(EXTRACT(epoch FROM statement_timestamp() - gendurable.nodes.started_at) AS DOUBLE PRECISION) AS age, CAST(EXTRACT(epoch FROM statement_timestamp() - gendurable.nodes.beat_at) AS DOUBLE PRECISION) AS beat
FROM gendurable.nodes ORDER BY gendurable.nodes.name
