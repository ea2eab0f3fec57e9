WITH RECURSIVE lanes(queue, priority) AS
(SELECT first.queue AS queue, first.priority AS priority
FROM (SELECT gendurable.instances.queue AS queue, gendurable.instances.priority AS priority
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL ORDER BY gendurable.instances.queue, gendurable.instances.priority
 LIMIT 1) AS first UNION ALL SELECT following.queue AS queue, following.priority AS priority
FROM lanes JOIN LATERAL (SELECT gendurable.instances.queue AS queue, gendurable.instances.priority AS priority
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND (gendurable.instances.queue, gendurable.instances.priority) > (lanes.queue, lanes.priority) ORDER BY gendurable.instances.queue, gendurable.instances.priority
 LIMIT 1) AS following ON true)
 SELECT lanes.queue, lanes.priority, due.due, later.later, oldest.oldest
FROM lanes JOIN LATERAL (SELECT count(*) AS due
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.queue = lanes.queue AND gendurable.instances.priority = lanes.priority AND gendurable.instances.eligible_at <= statement_timestamp()
 LIMIT 10000) AS due_rows) AS due ON true JOIN LATERAL (SELECT count(*) AS later
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.queue = lanes.queue AND gendurable.instances.priority = lanes.priority AND gendurable.instances.eligible_at > statement_timestamp()
 LIMIT 10000) AS later_rows) AS later ON true JOIN LATERAL (SELECT gendurable.instances.eligible_at AS oldest
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL AND gendurable.instances.queue = lanes.queue AND gendurable.instances.priority = lanes.priority ORDER BY gendurable.instances.eligible_at
 LIMIT 1) AS oldest ON true
 LIMIT 500
