SELECT gendurable.instances.id, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, CAST(gendurable.instances.state AS TEXT) AS state, gendurable.instances.blocked
FROM gendurable.instances
WHERE gendurable.instances.id > %(after_id)s::BIGINT AND (gendurable.instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')) ORDER BY gendurable.instances.id
 LIMIT %(up_to)s::BIGINT
