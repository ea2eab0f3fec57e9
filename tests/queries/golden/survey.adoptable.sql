SELECT instances.id, instances.fsm, instances.fsm_version, instances.step, CAST(instances.state AS TEXT) AS state, instances.blocked
FROM gendurable.instances
WHERE instances.id > %(after_id)s::BIGINT AND (instances.status IN ('runnable', 'awaiting_signal', 'awaiting_children')) AND ((EXISTS (SELECT 1
FROM json_to_recordset(%(old)s::JSON) AS "old"(fsm TEXT, fsm_version INTEGER)
WHERE instances.fsm = "old".fsm AND instances.fsm_version = "old".fsm_version)) OR (instances.blocked IN ('unknown', 'invalid'))) ORDER BY instances.id
 LIMIT %(up_to)s::BIGINT FOR NO KEY UPDATE SKIP LOCKED
