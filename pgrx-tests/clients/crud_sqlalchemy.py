"""Ordinary work on protected tables through SQLAlchemy's ORM, which checks the row counts of what it flushes.

Usage: crud_sqlalchemy.py HOST PORT DATABASE. Prints the number of rows it destroyed; any complaint is an exception.
"""

import sys

from sqlalchemy import ForeignKey, create_engine, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

APPROVAL = '{"reason": "OPS-142", "max_rows": 20}'


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    plan: Mapped[str] = mapped_column(default="free")
    orders: Mapped[list["Order"]] = relationship(back_populates="user", passive_deletes=True)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    user: Mapped[User] = relationship(back_populates="orders")


def refusal(session, sqlstate, statement):
    try:
        session.execute(statement)
    except DBAPIError as error:
        session.rollback()
        diag = error.orig.diag
        assert error.orig.sqlstate == sqlstate, error
        assert not error.connection_invalidated
        assert (diag.schema_name, diag.table_name) == ("public", "users"), diag.table_name
        assert diag.message_detail and diag.message_hint, error
        return
    raise AssertionError(f"not refused: {statement}")


def main(host, port, database):
    destroyed = 0
    engine = create_engine(
        "postgresql+psycopg://", connect_args={"host": host, "port": port, "dbname": database, "user": "app"}, pool_size=1
    )
    with Session(engine) as session:
        made = [User(email=f"s{n}", orders=[Order(), Order()]) for n in range(5)]
        session.add_all(made)
        session.commit()
        for user in made:
            user.plan = "changed"
        session.commit()  # one executemany, whose row count SQLAlchemy compares with five
        destroyed += 5
        session.delete(made[0])
        session.delete(made[1])
        session.commit()
        destroyed += 2 + 4
        assert session.scalar(select(User.plan).where(User.email == "s2")) == "changed"
        statement = insert(User).values(email="s2", plan="upserted")
        statement = statement.on_conflict_do_update(index_elements=["email"], set_={"plan": statement.excluded.plan})
        session.execute(statement.returning(User.id)).one()
        session.commit()
        destroyed += 1
        changed = session.execute(update(User).where(User.id.in_([1, 2, 3])).values(plan="in"))
        assert changed.rowcount == 3
        session.commit()
        destroyed += 3
        locked = session.scalars(select(User).where(User.id == 7).with_for_update()).one()
        locked.plan = "locked"
        session.commit()
        destroyed += 1

        refusal(session, "SF001", delete(User).where(User.id > 0))
        refusal(session, "SF002", delete(User))
        refusal(session, "SF005", update(User).where(User.plan == "free").values(plan="x"))
        assert session.scalar(select(User.plan).where(User.id == 7)) == "locked"
        session.rollback()
        # Under a savepoint the rest of the transaction goes on.
        session.execute(update(User).where(User.id == 8).values(plan="kept"))
        try:
            with session.begin_nested():
                session.execute(delete(User))
        except DBAPIError as error:
            assert error.orig.sqlstate == "SF002"
        session.commit()
        destroyed += 1
        assert session.scalar(select(User.plan).where(User.id == 8)) == "kept"
        session.rollback()

        session.execute(text("SELECT backstop.approve_batch('OPS-142', 20, '{public.users}', '{update}')"))
        assert session.execute(update(User).where(User.id.between(20, 34)).values(plan="approved")).rowcount == 15
        session.commit()
        destroyed += 15
        refusal(session, "SF001", update(User).where(User.id.between(20, 34)).values(plan="again"))
    engine.dispose()
    print(destroyed)


main(*sys.argv[1:])
