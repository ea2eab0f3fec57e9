WITH RECURSIVE lanes(queue, priority) AS
(SELECT first.queue, first.priority
FROM (SELECT instances.queue, instances.priority
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL ORDER BY instances.queue, instances.priority
 LIMIT 1) AS first UNION ALL SELECT following.queue, following.priority
FROM lanes JOIN LATERAL (SELECT instances.queue, instances.priority
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND (instances.queue, instances.priority) > (lanes.queue, lanes.priority) ORDER BY instances.queue, instances.priority
 LIMIT 1) AS following ON true),
places(status, queue) AS
(SELECT first.status, first.queue
FROM (SELECT instances.status, instances.queue
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END ORDER BY instances.status, instances.queue
 LIMIT 1) AS first UNION ALL SELECT following.status, following.queue
FROM places JOIN LATERAL (SELECT instances.status, instances.queue
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND (instances.status, instances.queue) > (places.status, places.queue) ORDER BY instances.status, instances.queue
 LIMIT 1) AS following ON true),
held(queue) AS
(SELECT first.queue
FROM (SELECT instances.queue
FROM gendurable.instances
WHERE instances.paused_at IS NOT NULL AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) ORDER BY instances.queue
 LIMIT 1) AS first UNION ALL SELECT following.queue
FROM held JOIN LATERAL (SELECT instances.queue
FROM gendurable.instances
WHERE instances.paused_at IS NOT NULL AND (instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) AND (instances.queue) > (held.queue) ORDER BY instances.queue
 LIMIT 1) AS following ON true)
 SELECT (SELECT count(*) AS count_1
FROM (SELECT 1 AS one
FROM lanes
 LIMIT 500) AS lanes_rows) AS lanes, (SELECT count(*) AS count_2
FROM (SELECT 1 AS one
FROM places
 LIMIT 500) AS places_rows) AS places, (SELECT count(*) AS count_3
FROM (SELECT 1 AS one
FROM held
 LIMIT 500) AS held_rows) AS held
