"""Settings of a share group, for the suites about them."""


def begin_at_the_start(bootstrap, group, **settings):
    """The group reads topics from their first record on; `settings` by Kafka's names with _ for . go along."""
    from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    wanted = {"share.auto.offset.reset": "earliest", **{name.replace("_", "."): value for name, value in settings.items()}}
    entries = [
        ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET) for name, value in wanted.items()
    ]
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20)
