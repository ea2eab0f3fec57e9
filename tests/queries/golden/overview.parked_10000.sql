WITH RECURSIVE places(status, queue) AS
(SELECT first.status, first.queue
FROM (SELECT instances.status, instances.queue
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END ORDER BY instances.status, instances.queue
 LIMIT 1) AS first UNION ALL SELECT following.status, following.queue
FROM places JOIN LATERAL (SELECT instances.status, instances.queue
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND (instances.status, instances.queue) > (places.status, places.queue) ORDER BY instances.status, instances.queue
 LIMIT 1) AS following ON true)
 SELECT places.status, places.queue, number.number AS count
FROM places JOIN LATERAL (SELECT count(*) AS number
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND instances.status = places.status AND instances.queue = places.queue ORDER BY instances.id
 LIMIT 10000) AS number_rows) AS number ON true
 LIMIT 500
