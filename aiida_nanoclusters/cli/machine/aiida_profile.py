"""The AiiDA profile: SQLite and AiiDA's own broker, or PostgreSQL and RabbitMQ."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.machine.installation import Step
from aiida_nanoclusters.cli.machine.profile import AiidaEntry

if TYPE_CHECKING:
    from aiida.manage.configuration.config import Config
    from aiida.manage.configuration.profile import Profile

DEFAULT_PROFILE = "nanoclusters"
DATABASE_DEFAULTS: Mapping[str, Any] = {"hostname": "localhost", "port": 5432}


def ensure_profile(name: str | None, entry: AiidaEntry) -> tuple[Profile, Step]:
    """Load the AiiDA profile; create it from `entry` if there is none of that name.

    Raises
    ------
    ValueError
        If a server does not answer or refuses the login; the message names the fix.
    """
    from aiida.manage.configuration import create_profile, get_config, load_profile

    config = get_config(create=True)
    name = name or config.default_profile_name or DEFAULT_PROFILE
    item = f"AiiDA profile {name}"
    if name in config.profile_names:
        profile = load_profile(name, allow_switch=True)
        return profile, _compare(item, profile, entry, config)
    create_profile(
        config,
        name=name,
        email=config.get_option("autofill.user.email") or "aiida@localhost",
        storage_backend=entry.storage,
        storage_config=_storage_config(name, entry, config),
        broker_backend=entry.broker,
        broker_config=_broker_config(entry),
    )
    if config.default_profile_name is None:
        config.set_default_profile(name)
    config.store()
    note = f"{config.dirpath}, {entry.storage}, {entry.broker}"
    return load_profile(name, allow_switch=True), Step(item, "made", note)


def _compare(item: str, profile: Profile, entry: AiidaEntry, config: Config) -> Step:
    """Compare an existing profile with the file; it is not changed, its storage cannot be."""
    if entry == AiidaEntry():  # no section `aiida` in the file
        return Step(item, "was there", config.dirpath)
    held, asked = profile.storage_backend, entry.storage
    if held != asked:
        return Step(item, "differs", f"keeps its {held}; --profile NAME makes one with {asked}")
    held, asked = str(profile.process_control_backend), entry.broker
    if held != asked:
        fix = f"verdi profile configure-broker {asked} {profile.name}"
        return Step(item, "differs", f"keeps its {held}; `{fix}` changes it")
    return Step(item, "was there", config.dirpath)


def _storage_config(name: str, entry: AiidaEntry, config: Config) -> dict[str, Any]:
    if entry.storage != "core.psql_dos":
        return {}
    database = {**DATABASE_DEFAULTS, **entry.database}
    for key in ("username", "name"):
        if not database.get(key):
            raise ValueError(f"aiida.database: give `{key}`")
    password = _database_password(database)
    if " " in password:  # it would read a plus sign there
        raise ValueError("AiiDA cannot use a database password with a space: change it")
    return {
        **{f"database_{key}": value for key, value in database.items()},
        "database_password": password,
        "repository_uri": f"file://{config.dirpath}/repository/{name}",
    }


def _database_password(database: Mapping[str, Any]) -> str:
    """Connect to the database as libpq does, by PGPASSWORD or ~/.pgpass, or ask; the password."""
    import psycopg

    where = {
        "host": database["hostname"],
        "port": database["port"],
        "user": database["username"],
        "dbname": database["name"],
        "connect_timeout": 10,
    }
    try:
        with psycopg.connect(**where) as connection:
            return str(connection.info.password)
    except psycopg.OperationalError as error:
        if "password" not in str(error) or not sys.stdin.isatty():
            raise ValueError(_no_database(database, error)) from error
    text = f"Password of {database['username']} for the database {database['name']}"
    password = str(click.prompt(text, hide_input=True))
    try:
        psycopg.connect(**where, password=password).close()
    except psycopg.OperationalError as error:
        raise ValueError(_no_database(database, error)) from error
    return password


def _no_database(database: Mapping[str, Any], error: Exception) -> str:
    user, name = database["username"], database["name"]
    said = " ".join(str(error).split())
    if "password" in said:
        fix = "give the password in PGPASSWORD or ~/.pgpass"
    elif "does not exist" in said:
        fix = (
            f"make it: sudo -u postgres createuser -P {user}; "
            f"sudo -u postgres createdb -O {user} -E UTF8 -T template0 {name}"
        )
    else:
        fix = "start PostgreSQL (Debian, Ubuntu: sudo apt install postgresql), or correct its port"
    return f"PostgreSQL refuses the connection ({said}): {fix}"


def _broker_config(entry: AiidaEntry) -> dict[str, Any]:
    """Address of the broker. RabbitMQ must answer; its password is in AIIDA_BROKER_PASSWORD."""
    from aiida.brokers.rabbitmq.defaults import detect_rabbitmq_config
    from aiida.plugins import BrokerFactory

    if entry.broker != "core.rabbitmq":
        return dict(BrokerFactory(entry.broker).get_default_config())
    given = {**entry.rabbitmq}
    if "hostname" in given:
        given["host"] = given.pop("hostname")
    try:
        return detect_rabbitmq_config(**given)
    except ConnectionError as error:
        where = f"{given.get('host', '127.0.0.1')}:{given.get('port', 5672)}"
        raise ValueError(
            f"RabbitMQ refuses the connection at {where}: start it (Debian, Ubuntu: "
            "sudo apt install rabbitmq-server), correct its port, or give its password in "
            "AIIDA_BROKER_PASSWORD"
        ) from error
