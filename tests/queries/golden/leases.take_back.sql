WITH aside AS
(SELECT instances.id
FROM json_to_recordset(%(known)s::JSON) AS known(fsm TEXT, fsm_version INTEGER, step TEXT) JOIN gendurable.instances ON (instances.blocked IN ('unknown', 'invalid')) AND instances.blocked = %(why)s::VARCHAR AND instances.fsm = known.fsm AND instances.fsm_version = known.fsm_version AND (known.step IS NULL OR instances.step = known.step) FOR NO KEY UPDATE OF instances SKIP LOCKED)
 UPDATE gendurable.instances SET blocked=NULL, updated_at=statement_timestamp() FROM aside WHERE instances.id = aside.id RETURNING instances.queue
