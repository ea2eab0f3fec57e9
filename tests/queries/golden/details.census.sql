SELECT "some".status, count(*) AS count
FROM (SELECT gendurable.instances.status AS status
FROM gendurable.instances
WHERE gendurable.instances.parent_id = %(target)s::BIGINT
 LIMIT 10000) AS "some" GROUP BY "some".status
