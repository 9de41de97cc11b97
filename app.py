"""The Chalice app: registers the rooms. Nothing else happens here."""

from chalicelib.api.routes import blueprint as api
from chalicelib.dashboard import shell
from chalicelib.dashboard.routes import blueprint as dashboard
from chalicelib.dialects.flamenco1.routes import blueprint as flamenco1
from chalicelib.dialects.flamenco2.routes import blueprint as flamenco2
from chalicelib.dialects.pleiades.routes import blueprint as pleiades
from chalicelib.dialects.scheduler.routes import blueprint as scheduler
from chalicelib.dialects.transcode.routes import blueprint as transcode
from chalicelib.edge.lambda_app import LambdaApp
from chalicelib.edge.middleware import install
from chalicelib.handlers.doors import blueprint as doors
from chalicelib.install.routes import blueprint as installing

app = LambdaApp(app_name="millrace")
install(app, shell.page)
app.register_blueprint(api)
app.register_blueprint(dashboard)
app.register_blueprint(installing)
app.register_blueprint(flamenco1)
app.register_blueprint(flamenco2)
app.register_blueprint(pleiades)
app.register_blueprint(scheduler)
app.register_blueprint(transcode)
app.register_blueprint(doors)
