SELECT gendurable.instances.id, gendurable.instances.locked_by, gendurable.instances.claim_seq
FROM gendurable.instances
WHERE gendurable.instances.id = any(%(ids)s::BIGINT[]) ORDER BY gendurable.instances.id FOR NO KEY UPDATE SKIP LOCKED
