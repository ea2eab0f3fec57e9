WITH RECURSIVE held(queue) AS
(SELECT first.queue
FROM (SELECT instances.queue
FROM gendurable.instances
WHERE instances.paused_at IS NOT NULL AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) ORDER BY instances.queue
 LIMIT 1) AS first UNION ALL SELECT following.queue
FROM held JOIN LATERAL (SELECT instances.queue
FROM gendurable.instances
WHERE instances.paused_at IS NOT NULL AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) AND (instances.queue) > (held.queue) ORDER BY instances.queue
 LIMIT 1) AS following ON true)
 SELECT held.queue, number.number AS count
FROM held JOIN LATERAL (SELECT count(*) AS number
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE instances.paused_at IS NOT NULL AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) AND instances.queue = held.queue ORDER BY instances.id
 LIMIT 10000) AS number_rows) AS number ON true
 LIMIT 500
