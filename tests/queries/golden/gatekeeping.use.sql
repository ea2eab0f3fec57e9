SELECT 'key' AS kind, 'running' AS what, split_part(key_running.key, ':', 1) AS name, count(*) AS count
FROM (SELECT instances.concurrency_key AS key
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key IS NOT NULL ORDER BY instances.concurrency_key
 LIMIT 10000) AS key_running GROUP BY split_part(key_running.key, ':', 1) UNION ALL SELECT 'key' AS kind, 'waiting' AS what, split_part(key_waiting.key, ':', 1) AS name, count(*) AS count
FROM (SELECT instances.concurrency_key AS key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL ORDER BY instances.concurrency_key
 LIMIT 10000) AS key_waiting GROUP BY split_part(key_waiting.key, ':', 1) UNION ALL SELECT 'rate' AS kind, 'waiting' AS what, split_part(rate_waiting.key, ':', 1) AS name, count(*) AS count
FROM (SELECT instances.rate_limit AS key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL ORDER BY instances.rate_limit
 LIMIT 10000) AS rate_waiting GROUP BY split_part(rate_waiting.key, ':', 1)
