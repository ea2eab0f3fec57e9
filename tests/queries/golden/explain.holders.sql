SELECT gendurable.instances.id, gendurable.instances.locked_by, gendurable.instances.lease_expires_at
FROM gendurable.instances
WHERE gendurable.instances.concurrency_key = %(of_key)s::VARCHAR AND gendurable.instances.status = 'executing' ORDER BY gendurable.instances.slot
 LIMIT %(up_to)s::INTEGER
