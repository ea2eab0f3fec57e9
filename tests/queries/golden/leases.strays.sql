SELECT gendurable.instances.id, gendurable.instances.claim_seq
FROM gendurable.instances
WHERE gendurable.instances.status = 'executing' AND gendurable.instances.locked_by = %(worker)s::VARCHAR
