WITH RECURSIVE found(key) AS
(SELECT first.key
FROM (SELECT instances.rate_limit AS key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL ORDER BY instances.rate_limit
 LIMIT 1) AS first UNION ALL SELECT following.key
FROM found JOIN LATERAL (SELECT instances.rate_limit AS key
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit > found.key ORDER BY instances.rate_limit
 LIMIT 1) AS following ON true)
 SELECT found.key, crowd.waiting, (SELECT buckets.head_at
FROM gendurable.buckets
WHERE buckets.key = found.key) AS head_at
FROM found JOIN LATERAL (SELECT count(*) AS waiting
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL AND instances.rate_limit = found.key ORDER BY instances.queue
 LIMIT 1000) AS rows) AS crowd ON true
 LIMIT 51
