SELECT gendurable.nodes.name, gendurable.nodes.queues, gendurable.nodes.machines, gendurable.nodes.started_at, gendurable.nodes.beat_at
FROM gendurable.nodes ORDER BY gendurable.nodes.name
 LIMIT 500
