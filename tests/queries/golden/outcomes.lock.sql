SELECT instances.id, instances.locked_by, instances.claim_seq
FROM gendurable.instances
WHERE instances.id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) ORDER BY instances.id FOR NO KEY UPDATE SKIP LOCKED
