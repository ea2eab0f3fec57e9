WITH locked AS
(SELECT instances.id
FROM json_to_recordset(%(claims)s::JSON) AS held(id BIGINT, claim_seq BIGINT) JOIN gendurable.instances ON instances.id = held.id AND instances.locked_by = CASE WHEN (held.claim_seq IS NOT NULL) THEN %(worker)s::VARCHAR END AND instances.claim_seq = held.claim_seq ORDER BY instances.id FOR NO KEY UPDATE OF instances SKIP LOCKED)
 UPDATE gendurable.instances SET status='runnable', attempt=(instances.attempt + %(spent)s::INTEGER), slot=NULL, blocked=%(why)s::VARCHAR, locked_by=NULL, lease_expires_at=NULL, updated_at=statement_timestamp() FROM locked WHERE instances.id = locked.id RETURNING instances.id, instances.queue
