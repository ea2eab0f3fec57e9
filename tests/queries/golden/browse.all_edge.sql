SELECT instances.id
FROM gendurable.instances
WHERE (instances.id) < (%(from_id)s::BIGINT) ORDER BY instances.id DESC
 LIMIT 1 OFFSET 9999
