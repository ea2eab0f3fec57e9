SELECT gendurable.instances.lease_expires_at, gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.lease_expires_at, gendurable.instances.id) > (%(from_lease_expires_at)s::TIMESTAMP WITH TIME ZONE, %(from_id)s::BIGINT) AND gendurable.instances.status = 'executing' ORDER BY gendurable.instances.lease_expires_at, gendurable.instances.id
 LIMIT 1 OFFSET 9999
