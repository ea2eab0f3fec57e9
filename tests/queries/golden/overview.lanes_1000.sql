WITH RECURSIVE lanes(queue, priority) AS
(SELECT first.queue, first.priority
FROM (SELECT instances.queue, instances.priority
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL ORDER BY instances.queue, instances.priority
 LIMIT 1) AS first UNION ALL SELECT following.queue, following.priority
FROM lanes JOIN LATERAL (SELECT instances.queue, instances.priority
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND (instances.queue, instances.priority) > (lanes.queue, lanes.priority) ORDER BY instances.queue, instances.priority
 LIMIT 1) AS following ON true)
 SELECT lanes.queue, lanes.priority, due.due, later.later, oldest.oldest
FROM lanes JOIN LATERAL (SELECT count(*) AS due
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.eligible_at <= statement_timestamp() AND instances.queue = lanes.queue AND instances.priority = lanes.priority ORDER BY instances.eligible_at
 LIMIT 1000) AS due_rows) AS due ON true JOIN LATERAL (SELECT count(*) AS later
FROM (SELECT 1 AS one
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.eligible_at > statement_timestamp() AND instances.queue = lanes.queue AND instances.priority = lanes.priority ORDER BY instances.eligible_at
 LIMIT 1000) AS later_rows) AS later ON true JOIN LATERAL (SELECT instances.eligible_at AS oldest
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.queue = lanes.queue AND instances.priority = lanes.priority ORDER BY instances.eligible_at
 LIMIT 1) AS oldest ON true
 LIMIT 500
