SELECT instances.id, instances.status, instances.result, instances.last_error, instances.step, instances.attempt
FROM unnest(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AS ids(one) JOIN gendurable.instances ON instances.id = ids.one
