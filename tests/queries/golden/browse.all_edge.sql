SELECT gendurable.instances.id
FROM gendurable.instances
WHERE (gendurable.instances.id) < (%(from_id)s::BIGINT) ORDER BY gendurable.instances.id DESC
 LIMIT 1 OFFSET 9999
