SELECT 'key' AS what, key.queue, count(*) AS count
FROM (SELECT instances.queue
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL ORDER BY instances.concurrency_key
 LIMIT 10000) AS key GROUP BY key.queue UNION ALL SELECT 'rate' AS what, rate.queue, count(*) AS count
FROM (SELECT instances.queue
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL ORDER BY instances.rate_limit
 LIMIT 10000) AS rate GROUP BY rate.queue UNION ALL SELECT 'aside' AS what, aside.queue, count(*) AS count
FROM (SELECT instances.queue
FROM gendurable.instances
WHERE instances.blocked IN ('unknown', 'invalid') ORDER BY instances.blocked
 LIMIT 1000) AS aside GROUP BY aside.queue
