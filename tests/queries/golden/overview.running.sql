SELECT running.queue, running.locked_by, count(*) AS count
FROM (SELECT instances.queue, instances.locked_by
FROM gendurable.instances
WHERE instances.status = 'executing' ORDER BY instances.lease_expires_at
 LIMIT 10000) AS running GROUP BY running.queue, running.locked_by
