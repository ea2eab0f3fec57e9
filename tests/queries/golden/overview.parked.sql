WITH RECURSIVE places(status, queue) AS
(SELECT first.status AS status, first.queue AS queue
FROM (SELECT gendurable.instances.status AS status, gendurable.instances.queue AS queue
FROM gendurable.instances
WHERE CASE WHEN (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END ORDER BY gendurable.instances.status, gendurable.instances.queue
 LIMIT 1) AS first UNION ALL SELECT following.status AS status, following.queue AS queue
FROM places JOIN LATERAL (SELECT gendurable.instances.status AS status, gendurable.instances.queue AS queue
FROM gendurable.instances
WHERE CASE WHEN (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND (gendurable.instances.status, gendurable.instances.queue) > (places.status, places.queue) ORDER BY gendurable.instances.status, gendurable.instances.queue
 LIMIT 1) AS following ON true)
 SELECT places.status, places.queue, number.count
FROM places JOIN LATERAL (SELECT count(*) AS count
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE CASE WHEN (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND gendurable.instances.status = places.status AND gendurable.instances.queue = places.queue
 LIMIT 10000) AS rows) AS number ON true
 LIMIT 500
