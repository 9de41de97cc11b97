"""The Chalice app: registers the rooms. Nothing else happens here."""

from chalicelib import rooms
from chalicelib.edge.lambda_app import LambdaApp
from chalicelib.edge.middleware import install

app = LambdaApp(app_name="millrace")
install(app, "chalicelib.dashboard.shell")
kept = rooms.kept_index()
if kept is not None:
    app.register_later(rooms.Later.of(app, kept))
else:
    from chalicelib.handlers.doors import blueprint as doors

    for room in rooms.ROOMS:
        rooms.register(app, room)
    app.register_blueprint(doors)
