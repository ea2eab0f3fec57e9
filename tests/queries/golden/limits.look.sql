WITH RECURSIVE open AS MATERIALIZED
(SELECT wanted.key AS key
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT)
WHERE (SELECT count(*) AS count_1
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' AND gendurable.instances.concurrency_key = wanted.key) < coalesce((SELECT gendurable.limits.amount
FROM gendurable.limits
WHERE gendurable.limits.kind = 'key' AND gendurable.limits.name = split_part(wanted.key, ':', 1) ORDER BY gendurable.limits.source DESC
 LIMIT 1), 1)),
lanes(key, queue) AS
(SELECT open.key AS key, (SELECT min(gendurable.instances.queue) AS min_1
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'key' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.concurrency_key = open.key) AS queue
FROM open UNION ALL SELECT lanes.key AS key, (SELECT min(gendurable.instances.queue) AS min_2
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'key' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.concurrency_key = lanes.key AND gendurable.instances.queue > lanes.queue) AS anon_1
FROM lanes
WHERE lanes.queue IS NOT NULL),
heads AS
(SELECT lanes.key AS key, lanes.queue AS queue, head.id AS id
FROM lanes LEFT OUTER JOIN LATERAL (SELECT gendurable.instances.id AS id
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'key' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.concurrency_key = lanes.key AND gendurable.instances.queue = lanes.queue ORDER BY gendurable.instances.priority, gendurable.instances.eligible_at, gendurable.instances.id
 LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS head ON true
WHERE lanes.queue IS NOT NULL),
let_in AS
(UPDATE gendurable.instances SET blocked=NULL WHERE gendurable.instances.id = any(array((SELECT heads.id
FROM heads))))
 SELECT heads.key, heads.queue, heads.id IS NOT NULL AS anon_2, set_config('synchronous_commit', 'off', true) AS set_config_1
FROM heads
