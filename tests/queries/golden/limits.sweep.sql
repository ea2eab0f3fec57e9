WITH RECURSIVE keys(key) AS
(SELECT min(instances.concurrency_key) AS key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL UNION ALL SELECT (SELECT min(instances.concurrency_key) AS min_1
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.concurrency_key > keys.key) AS anon_1
FROM keys
WHERE keys.key IS NOT NULL)
 SELECT keys.key
FROM keys
WHERE keys.key IS NOT NULL AND (SELECT count(*) AS count_1
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key = keys.key) < coalesce((SELECT limits.amount
FROM gendurable.limits
WHERE limits.kind = 'key' AND limits.name = split_part(keys.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1), 1)
