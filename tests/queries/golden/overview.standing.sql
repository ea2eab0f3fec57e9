SELECT live.step, count(*) AS count
FROM (SELECT waiting.fsm AS fsm, waiting.step AS step, waiting.status AS status
FROM (SELECT gendurable.instances.fsm AS fsm, gendurable.instances.step AS step, gendurable.instances.status AS status
FROM gendurable.instances
WHERE gendurable.instances.status = 'runnable' AND gendurable.instances.blocked IS NULL AND gendurable.instances.paused_at IS NULL
 LIMIT 10000) AS waiting UNION ALL SELECT executing.fsm AS fsm, executing.step AS step, executing.status AS status
FROM (SELECT gendurable.instances.fsm AS fsm, gendurable.instances.step AS step, gendurable.instances.status AS status
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing'
 LIMIT 10000) AS executing UNION ALL SELECT on_signals.fsm AS fsm, on_signals.step AS step, on_signals.status AS status
FROM (SELECT gendurable.instances.fsm AS fsm, gendurable.instances.step AS step, gendurable.instances.status AS status
FROM gendurable.instances
WHERE CASE WHEN (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND gendurable.instances.status = 'awaiting_signal'
 LIMIT 10000) AS on_signals UNION ALL SELECT on_children.fsm AS fsm, on_children.step AS step, on_children.status AS status
FROM (SELECT gendurable.instances.fsm AS fsm, gendurable.instances.step AS step, gendurable.instances.status AS status
FROM gendurable.instances
WHERE CASE WHEN (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) THEN true ELSE false END AND gendurable.instances.status = 'awaiting_children'
 LIMIT 10000) AS on_children) AS live
WHERE live.fsm = %(machine)s::VARCHAR GROUP BY live.step
