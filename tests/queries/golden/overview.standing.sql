SELECT live.step, count(*) AS count
FROM (SELECT waiting.fsm, waiting.step, waiting.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked IS NULL AND instances.paused_at IS NULL
 LIMIT 10000) AS waiting UNION ALL SELECT executing.fsm, executing.step, executing.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE instances.status = 'executing'
 LIMIT 10000) AS executing UNION ALL SELECT on_signals.fsm, on_signals.step, on_signals.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND instances.status = 'awaiting_signal'
 LIMIT 10000) AS on_signals UNION ALL SELECT on_children.fsm, on_children.step, on_children.status
FROM (SELECT instances.fsm, instances.step, instances.status
FROM gendurable.instances
WHERE CASE WHEN (instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND instances.status = 'awaiting_children'
 LIMIT 10000) AS on_children) AS live
WHERE live.fsm = %(machine)s::VARCHAR GROUP BY live.step
