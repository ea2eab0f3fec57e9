SELECT instances.id, instances.status, instances.result, instances.last_error, instances.step, instances.attempt
FROM unnest(%(ids)s::BIGINT[]) AS ids(one) JOIN gendurable.instances ON instances.id = ids.one
