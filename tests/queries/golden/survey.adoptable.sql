SELECT gendurable.instances.id, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, CAST(gendurable.instances.state AS TEXT) AS state, gendurable.instances.blocked
FROM gendurable.instances
WHERE gendurable.instances.id > %(after_id)s::BIGINT AND (gendurable.instances.status IN ('runnable', 'awaiting_signal', 'awaiting_children')) AND ((EXISTS (SELECT 1
FROM json_to_recordset(%(old)s::JSON) AS "old"(fsm TEXT, fsm_version INTEGER)
WHERE gendurable.instances.fsm = "old".fsm AND gendurable.instances.fsm_version = "old".fsm_version)) OR (gendurable.instances.blocked IN ('unknown', 'invalid'))) ORDER BY gendurable.instances.id
 LIMIT %(up_to)s::BIGINT FOR NO KEY UPDATE SKIP LOCKED
