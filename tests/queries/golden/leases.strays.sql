SELECT instances.id, instances.claim_seq
FROM gendurable.instances
WHERE instances.status = 'executing' AND instances.locked_by = %(worker)s::VARCHAR
