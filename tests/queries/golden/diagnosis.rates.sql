SELECT instances.rate_limit, count(*) AS count, min(instances.id) AS example
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL GROUP BY instances.rate_limit
