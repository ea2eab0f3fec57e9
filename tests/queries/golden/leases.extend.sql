WITH locked AS
(SELECT instances.id
FROM json_to_recordset(%(claims)s::JSON) AS held(id BIGINT, claim_seq BIGINT) JOIN gendurable.instances ON instances.id = held.id AND instances.locked_by = CASE WHEN (held.claim_seq IS NOT NULL) THEN %(worker)s::VARCHAR END AND instances.claim_seq = held.claim_seq ORDER BY instances.id FOR NO KEY UPDATE OF instances SKIP LOCKED),
extended AS
(UPDATE gendurable.instances SET lease_expires_at=(statement_timestamp() + %(ttl)s * interval '1 second') FROM locked WHERE instances.id = locked.id RETURNING instances.id)
 SELECT held.id, extended.id IS NOT NULL AS anon_1, instances.id IS NOT NULL AS anon_2
FROM json_to_recordset(%(claims)s::JSON) AS held(id BIGINT, claim_seq BIGINT) LEFT OUTER JOIN extended ON extended.id = held.id LEFT OUTER JOIN gendurable.instances ON instances.id = held.id AND instances.locked_by = CASE WHEN (held.claim_seq IS NOT NULL) THEN %(worker)s::VARCHAR END AND instances.claim_seq = held.claim_seq
