WITH RECURSIVE keys(key) AS
(SELECT min(gendurable.instances.concurrency_key) AS key
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'key' AND gendurable.instances.paused_at IS NULL UNION ALL SELECT (SELECT min(gendurable.instances.concurrency_key) AS min_1
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'key' AND gendurable.instances.paused_at IS NULL AND gendurable.instances.concurrency_key > keys.key) AS anon_1
FROM keys
WHERE keys.key IS NOT NULL)
 SELECT keys.key
FROM keys
WHERE keys.key IS NOT NULL AND (SELECT count(*) AS count_1
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' AND gendurable.instances.concurrency_key = keys.key) < coalesce((SELECT gendurable.limits.amount
FROM gendurable.limits
WHERE gendurable.limits.kind = 'key' AND gendurable.limits.name = split_part(keys.key, ':', 1) ORDER BY gendurable.limits.source DESC
 LIMIT 1), 1)
