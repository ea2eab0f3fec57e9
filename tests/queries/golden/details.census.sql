SELECT "some".status, count(*) AS count
FROM (SELECT instances.status
FROM gendurable.instances
WHERE instances.parent_id = %(target)s::BIGINT ORDER BY instances.id
 LIMIT 10000) AS "some" GROUP BY "some".status
