SELECT gendurable.instances.rate_limit, count(*) AS count, min(gendurable.instances.id) AS example
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked = 'rate' AND gendurable.instances.paused_at IS NULL GROUP BY gendurable.instances.rate_limit
