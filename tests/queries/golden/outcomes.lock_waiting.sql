SELECT instances.id, instances.locked_by, instances.claim_seq
FROM gendurable.instances
WHERE instances.id = any(%(ids)s::BIGINT[]) ORDER BY instances.id FOR NO KEY UPDATE
