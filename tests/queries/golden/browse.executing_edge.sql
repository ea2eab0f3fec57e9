SELECT instances.lease_expires_at, instances.id
FROM gendurable.instances
WHERE (instances.lease_expires_at, instances.id) > (%(from_lease_expires_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND instances.status = 'executing' ORDER BY instances.lease_expires_at, instances.id
 LIMIT 1 OFFSET 9999
