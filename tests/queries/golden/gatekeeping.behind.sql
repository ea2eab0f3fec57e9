WITH RECURSIVE found(key) AS
(SELECT first.key
FROM (SELECT instances.concurrency_key AS key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL ORDER BY instances.concurrency_key
 LIMIT 1) AS first UNION ALL SELECT following.key
FROM found JOIN LATERAL (SELECT instances.concurrency_key AS key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.concurrency_key > found.key ORDER BY instances.concurrency_key
 LIMIT 1) AS following ON true)
 SELECT found.key, crowd.waiting, busy.running
FROM found JOIN LATERAL (SELECT count(*) AS waiting
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'key' AND instances.paused_at IS NULL AND instances.concurrency_key = found.key ORDER BY instances.queue
 LIMIT 1000) AS rows) AS crowd ON true JOIN LATERAL (SELECT count(*) AS running
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.concurrency_key = found.key) AS busy ON true
 LIMIT 51
