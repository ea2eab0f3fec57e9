WITH aside AS
(SELECT gendurable.instances.id AS id
FROM json_to_recordset(%(known)s::JSON) AS known(fsm TEXT, fsm_version INTEGER, step TEXT) JOIN gendurable.instances ON (gendurable.instances.blocked IN ('unknown', 'invalid')) AND gendurable.instances.blocked = %(why)s::VARCHAR AND gendurable.instances.fsm = known.fsm AND gendurable.instances.fsm_version = known.fsm_version AND (known.step IS NULL OR gendurable.instances.step = known.step) FOR NO KEY UPDATE OF instances SKIP LOCKED)
 UPDATE gendurable.instances SET blocked=NULL, updated_at=statement_timestamp() FROM aside WHERE gendurable.instances.id = aside.id RETURNING gendurable.instances.queue
