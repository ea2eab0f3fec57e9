WITH locked AS
(SELECT gendurable.instances.id AS id
FROM json_to_recordset(%(claims)s::JSON) AS held(id BIGINT, claim_seq BIGINT) JOIN gendurable.instances ON gendurable.instances.id = held.id AND gendurable.instances.locked_by = CASE WHEN (held.claim_seq IS NOT NULL) THEN %(worker)s::VARCHAR END AND gendurable.instances.claim_seq = held.claim_seq ORDER BY gendurable.instances.id FOR NO KEY UPDATE OF instances SKIP LOCKED)
 UPDATE gendurable.instances SET status='runnable', attempt=(gendurable.instances.attempt + %(spent)s::INTEGER), slot=NULL, blocked=%(why)s::VARCHAR, locked_by=NULL, lease_expires_at=NULL, updated_at=statement_timestamp() FROM locked WHERE gendurable.instances.id = locked.id RETURNING gendurable.instances.id, gendurable.instances.queue
