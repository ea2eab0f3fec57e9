SELECT instances.id, instances.locked_by, instances.lease_expires_at
FROM gendurable.instances
WHERE instances.concurrency_key = %(of_key)s::VARCHAR AND instances.status = 'executing' ORDER BY instances.slot
 LIMIT %(up_to)s::INTEGER
