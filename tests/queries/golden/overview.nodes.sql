SELECT nodes.name, nodes.queues, nodes.machines, nodes.started_at, nodes.beat_at
FROM gendurable.nodes ORDER BY nodes.name
 LIMIT 500
