WITH RECURSIVE open AS MATERIALIZED
(SELECT wanted.key
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT)
WHERE (SELECT count(*) AS count_1
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key = wanted.key) < coalesce((SELECT limits.amount
FROM gendurable.limits
WHERE limits.kind = 'key' AND limits.name = split_part(wanted.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1), 1)),
lanes(key, queue) AS
(SELECT open.key, (SELECT min(instances.queue) AS min_1
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.concurrency_key = open.key) AS queue
FROM open UNION ALL SELECT lanes.key, (SELECT min(instances.queue) AS min_2
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.concurrency_key = lanes.key AND instances.queue > lanes.queue) AS anon_1
FROM lanes
WHERE lanes.queue IS NOT NULL),
heads AS
(SELECT lanes.key, lanes.queue, head.id
FROM lanes LEFT OUTER JOIN LATERAL (SELECT instances.id
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.concurrency_key = lanes.key AND instances.queue = lanes.queue ORDER BY instances.priority, instances.eligible_at, instances.id
 LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS head ON true
WHERE lanes.queue IS NOT NULL AND NOT (EXISTS (SELECT *
FROM gendurable.pauses
WHERE pauses.queue = lanes.queue AND pauses.resumed_at IS NULL))),
let_in AS
(UPDATE gendurable.instances SET blocked=NULL WHERE instances.id = any(array((SELECT heads.id
FROM heads))))
 SELECT heads.key, heads.queue, heads.id IS NOT NULL AS anon_2, set_config('synchronous_commit', 'off', true) AS set_config_1
FROM heads
