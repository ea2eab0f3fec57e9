SELECT live.status, CASE WHEN (live.fsm = %(machine)s::VARCHAR) THEN live.step END AS step, count(*) AS count
FROM (SELECT waiting.fsm, waiting.step, waiting.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL AND instances.queue = %(in_queue)s::VARCHAR ORDER BY instances.priority, instances.eligible_at
 LIMIT 1000) AS waiting UNION ALL SELECT executing.fsm, executing.step, executing.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE instances.status = 'executing' ORDER BY instances.lease_expires_at
 LIMIT 1000) AS executing UNION ALL SELECT awaiting_signal.fsm, awaiting_signal.step, awaiting_signal.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND instances.status = 'awaiting_signal' AND instances.queue = %(in_queue)s::VARCHAR ORDER BY instances.id
 LIMIT 1000) AS awaiting_signal UNION ALL SELECT awaiting_children.fsm, awaiting_children.step, awaiting_children.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND instances.status = 'awaiting_children' AND instances.queue = %(in_queue)s::VARCHAR ORDER BY instances.id
 LIMIT 1000) AS awaiting_children) AS live GROUP BY live.status, CASE WHEN (live.fsm = %(machine)s::VARCHAR) THEN live.step END
