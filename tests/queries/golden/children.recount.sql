SELECT count(*) FILTER (WHERE NOT (instances.status IN ('done', 'failed', 'cancelled'))) AS anon_1, count(*) FILTER (WHERE instances.status = 'done') AS anon_2
FROM gendurable.instances
WHERE instances.parent_id = %(parent)s::BIGINT AND instances.parent_round = %(in_round)s::INTEGER
