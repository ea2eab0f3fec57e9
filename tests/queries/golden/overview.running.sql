SELECT running.queue, running.locked_by, count(*) AS count
FROM (SELECT gendurable.instances.queue AS queue, gendurable.instances.locked_by AS locked_by
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing'
 LIMIT 10000) AS running GROUP BY running.queue, running.locked_by
