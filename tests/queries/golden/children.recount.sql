SELECT count(*) FILTER (WHERE NOT (gendurable.instances.status IN ('done', 'failed', 'cancelled'))) AS anon_1, count(*) FILTER (WHERE gendurable.instances.status = 'done') AS anon_2
FROM gendurable.instances
WHERE gendurable.instances.parent_id = %(parent)s::BIGINT AND gendurable.instances.parent_round = %(in_round)s::INTEGER
