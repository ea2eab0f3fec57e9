SELECT 'key' AS what, key.queue, count(*) AS count
FROM (SELECT gendurable.instances.queue AS queue
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'key' AND gendurable.instances.paused_at IS NULL
 LIMIT 10000) AS key GROUP BY key.queue UNION ALL SELECT 'rate' AS what, rate.queue, count(*) AS count
FROM (SELECT gendurable.instances.queue AS queue
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'rate' AND gendurable.instances.paused_at IS NULL
 LIMIT 10000) AS rate GROUP BY rate.queue UNION ALL SELECT 'aside' AS what, aside.queue, count(*) AS count
FROM (SELECT gendurable.instances.queue AS queue
FROM gendurable.instances
WHERE gendurable.instances.blocked IN ('unknown', 'invalid')
 LIMIT 10000) AS aside GROUP BY aside.queue
