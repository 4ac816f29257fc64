# The Arabic texts. Keys and arguments are listed in src/i18n/texts.rs; a test compares.

# --- the question and its scale: survey page and mail ---
csat_question = ما مدى رضاك عن الدعم الذي تلقّيته؟
csat_1 = غير راضٍ إطلاقًا
csat_2 = غير راضٍ
csat_3 = محايد
csat_4 = راضٍ
csat_5 = راضٍ جدًا
ces_question = إلى أي مدى توافق على العبارة: «سهّلت { $company } عليّ حل مشكلتي»؟
ces_question_unnamed = إلى أي مدى توافق على العبارة: «سهّلتم عليّ حل مشكلتي»؟
ces_1 = لا أوافق بشدة
ces_2 = لا أوافق
ces_3 = لا أوافق إلى حدٍّ ما
ces_4 = محايد
ces_5 = أوافق إلى حدٍّ ما
ces_6 = أوافق
ces_7 = أوافق بشدة
effort_question = ما مدى سهولة حل مشكلتك؟
effort_1 = سهل جدًا
effort_2 = سهل
effort_3 = سهل إلى حدٍّ ما
effort_4 = لا سهل ولا صعب
effort_5 = صعب إلى حدٍّ ما
effort_6 = صعب
effort_7 = صعب جدًا
nps_question = ما مدى احتمال أن توصي بـ{ $company } لصديق أو زميل؟
nps_question_unnamed = ما مدى احتمال أن توصي بنا لصديق أو زميل؟
nps_low = غير محتمل إطلاقًا
nps_high = محتمل جدًا
follow_up_low = ما الذي لم يسر على ما يرام، وكيف يمكننا إصلاحه؟
follow_up_middle = ما الذي كان ينقص؟
follow_up_high = ما الذي أحسنّا فعله؟
follow_up_any = هل تودّ أن تخبرنا بالمزيد؟
scale_point = { $score } من { $top }
scale_point_named = { $score } من { $top }، { $word }

# --- the survey page ---
survey_title = سؤال واحد من { $company }
survey_title_unnamed = سؤال واحد لك
survey_title_error = يُرجى التحقق: { $title }
survey_chosen = لقد اخترت { $score } من { $top }.
survey_chosen_hint = لا يزال بإمكانك تغيير اختيارك.
survey_optional = اختياري
survey_comment_limit = بحدّ أقصى { $limit } حرف.
survey_consent = يمكنكم نشر تعليقي علنًا دون ذكر اسمي.
survey_send = إرسال
survey_privacy = بلا ملفات تعريف ارتباط وبلا تتبّع. يُرجى عدم كتابة أرقام البطاقات أو كلمات المرور.
survey_score_missing = يُرجى اختيار إجابة من { $low } إلى { $high }.
survey_comment_too_long = تعليقك أطول من { $limit } حرف. يُرجى اختصاره؛ لم يُفقد شيء مما كتبته.
survey_form_stale = بقيت هذه الصفحة مفتوحة مدة طويلة، فلم تُحفظ إجابتك بعد. يُرجى الضغط على «إرسال» مرة أخرى.
survey_not_stored = تعذّر حفظ إجابتك الآن. إجابتك ما زالت هنا: يُرجى الضغط على «إرسال» مجددًا بعد لحظات.

# --- the page that asks a person to press once more ---
confirm_title = هل هذه إجابتك؟
confirm_why = بعض برامج البريد تفتح الروابط من تلقاء نفسها. اضغط على الزر لنعرف أن الإجابة منك.
confirm_send = نعم، أرسلها

# --- the thanks page ---
thanks_title = شكرًا لك
thanks_rated = تقييمك: { $score } من { $top }
thanks_note = حُفظت إجابتك. يمكنك تغييرها عبر الرابط نفسه.
thanks_change = تغيير الإجابة
thanks_happiness = اطّلع على تقييمات الآخرين

# --- notices ---
not_found_title = هذا الرابط لا يؤدي إلى أي صفحة
not_found_text = ربما ضاع جزء منه في الطريق. يُرجى فتح الرابط مجددًا من رسالتك، أو نسخه كاملًا.
expired_title = انتهت صلاحية هذا الرابط
expired_text = شكرًا لرغبتك في الإجابة. لقد مضى وقتها ولم نعد نستطيع استقبال إجابة هنا. إذا بقي أمر لم يُحلّ، فيُرجى مراسلة فريق الدعم.
withdrawn_title = لم يعد هذا السؤال متاحًا
withdrawn_text = سُحب هذا السؤال، ربما لأن طلبك فُتح من جديد. لا يلزمك القيام بأي شيء.
closed_title = هذا الاستبيان مغلق
closed_text = شكرًا لرغبتك في الإجابة. لم يعد هذا الاستبيان يستقبل إجابات.
settled_title = لم يعد بالإمكان تغيير إجابتك
settled_text = لقد احتُسبت إجابتك من قبل. شكرًا لك عليها!
too_many_title = لحظة من فضلك
too_many_text = { $seconds ->
    [one] جرت محاولات كثيرة في وقت قصير. يُرجى المحاولة مجددًا بعد ثانية واحدة.
    [two] جرت محاولات كثيرة في وقت قصير. يُرجى المحاولة مجددًا بعد ثانيتين.
    [few] جرت محاولات كثيرة في وقت قصير. يُرجى المحاولة مجددًا بعد { $seconds } ثوانٍ.
   *[other] جرت محاولات كثيرة في وقت قصير. يُرجى المحاولة مجددًا بعد { $seconds } ثانية.
}
unavailable_title = يُرجى المحاولة مجددًا بعد لحظات
unavailable_text = هناك خلل لدينا. إذا أرسلت إجابة للتو فهي لم تُحفظ بعد: يُرجى العودة والضغط على الزر مرة أخرى.

# --- any other page that cannot be shown ---
page_missing_title = لا يوجد شيء هنا
page_missing_text = هذا العنوان لا يؤدي إلى أي مكان. ربما كُتب خطأً.
page_busy_title = يُرجى المحاولة بعد لحظات
page_busy_text = لدينا الآن ضغط كبير.
page_failed_title = لم ينجح ذلك
page_failed_text = تعذّرت الإجابة عن هذا الطلب. إن تكرّر الأمر فأخبر القائمين على هذه الخدمة.

# --- unsubscribing ---
unsubscribe_title = هل تريد إيقاف هذه الرسائل؟
unsubscribe_text = لن تصلك استبيانات من { $company } بعد الآن. أما الرسائل المتعلقة بطلباتك فستظل تصلك.
unsubscribe_text_unnamed = لن تصلك استبيانات منا بعد الآن. أما الرسائل المتعلقة بطلباتك فستظل تصلك.
unsubscribe_confirm = نعم، أوقفها
unsubscribed_title = أُلغي اشتراكك
unsubscribed_text = لن ترسل إليك { $company } استبيانات بعد الآن.
unsubscribed_text_unnamed = لن نرسل إليك استبيانات بعد الآن.

# --- mail ---
mail_subject = سؤال واحد من { $company }
mail_subject_unnamed = سؤال واحد لك
mail_greeting = مرحبًا { $name }،
mail_greeting_unnamed = مرحبًا،
mail_closed = اكتملت معالجة طلبك. هل تسمح لنا بسؤال واحد عنه؟
mail_invite = هل تسمح لنا بسؤال واحد؟
mail_ticket = الطلب { $id }
mail_agent = الردّ من { $name }
mail_end = { $score } = { $word }
mail_one_click = نقرة واحدة تكفي، ويمكنك إضافة تعليق في الصفحة التي تُفتح.
mail_open = أو افتح صفحة الاستبيان
mail_why = تصلك هذه الرسالة لأنك كنت على تواصل مع { $company }.
mail_why_unnamed = تصلك هذه الرسالة لأنك كنت على تواصل معنا.
mail_unsubscribe = إيقاف هذه الرسائل

# --- the reminder: what differs from the first mail ---
reminder_subject = تذكير قصير: سؤال واحد من { $company }
reminder_subject_unnamed = تذكير قصير: سؤال واحد لك
reminder_closed = سألناك قبل فترة عن طلبك. إن كان لديك لحظة، فما زال رأيك يهمّنا. لن نذكّرك مرة أخرى.
reminder_invite = سألناك قبل فترة سؤالًا واحدًا. إن كان لديك لحظة، فما زال رأيك يهمّنا. لن نذكّرك مرة أخرى.

# --- the short wording of SMS and chat ---
message_ask = { $company }: لدينا سؤال واحد لك. أجب بلمسة واحدة: { $link }
message_ask_unnamed = لدينا سؤال واحد لك. أجب بلمسة واحدة: { $link }
message_remind = { $company }: تذكير قصير. سؤال واحد بلمسة واحدة: { $link }
message_remind_unnamed = تذكير قصير. سؤال واحد بلمسة واحدة: { $link }

# --- the happiness report ---
happiness_eyebrow = تقرير الرضا
happiness_title = { $title }: تقرير الرضا
happiness_csat_headline = { $part } من { $count } راضون
happiness_ces_headline = كان الأمر سهلًا على { $part } من { $count }
happiness_nps_headline = صافي نقاط الترويج: { $score }
happiness_share_interval = تقع النسبة الحقيقية على الأرجح بين { $low } و{ $high } بالمئة.
happiness_nps_interval = تقع القيمة الحقيقية على الأرجح بين { $low } و{ $high }.
happiness_last = { $count ->
    [one] آخر صوت
    [two] آخر صوتين
    [few] آخر { $count } أصوات
    [many] آخر { $count } صوتًا
   *[other] آخر { $count } صوت
}
happiness_span = من { $from } إلى { $to }
happiness_newest_first = الأحدث أولًا
happiness_promoters = المروّجون
happiness_passives = المحايدون
happiness_detractors = المنتقدون
happiness_scores = الأصوات حسب التقييم
happiness_score = التقييم
happiness_votes = عدد الأصوات
happiness_all = { $count ->
    [one] صوت واحد
    [two] صوتان
    [few] جميع الأصوات: { $count } أصوات
    [many] جميع الأصوات: { $count } صوتًا
   *[other] جميع الأصوات: { $count } صوت
}
happiness_comments = بكلماتهم
happiness_comments_why = تُنشر التعليقات بموافقة أصحابها، وتُراجع لاستبعاد البيانات الشخصية والإساءة فقط، لا بحسب التقييم.
happiness_people = من الذين سُئلوا
happiness_response = أجاب { $answered } من { $invited } ممن سُئلوا ({ $rate }).
happiness_everybody = يُسأل الجميع عند إغلاق كل طلب.
happiness_sample = يُختار { $percent } بالمئة من الطلبات عشوائيًا، ويُسأل أصحابها عند إغلاقها.
happiness_quiet = { $days ->
    [one] لا يُسأل أحد مرتين خلال يوم واحد.
    [two] لا يُسأل أحد مرتين خلال يومين.
    [few] لا يُسأل أحد مرتين خلال { $days } أيام.
    [many] لا يُسأل أحد مرتين خلال { $days } يومًا.
   *[other] لا يُسأل أحد مرتين خلال { $days } يوم.
}
happiness_rules = كل صوت يُعطى عبر رابط شخصي يُحتسب مهما كان التقييم. تظهر الأصوات الجديدة في دفعات من { $lot } أو بعد يوم، فلا يمكن نسبة أي صوت إلى شخص.
happiness_since = الأصوات منذ { $day }.
happiness_updated = آخر تغيير: { $day }.
happiness_collecting = لا توجد أصوات كافية بعد: { $n } من { $minimum }
happiness_collecting_why = لا يُعرض شيء قبل ذلك، فلا يمكن نسبة أي صوت إلى شخص.
happiness_data = هذه الأرقام بصيغة JSON
happiness_list_title = تقارير الرضا
happiness_list_text = ما يقوله العملاء عن الدعم الذي تلقّوه، كما قالوه.
happiness_list_empty = لا يوجد تقرير عام بعد.

# --- the start page ---
start_title = نبض يعمل
start_text = يطرح على العميل سؤالًا واحدًا بعد كل تعامل، ويُظهر ما تقوله الإجابات.
start_running = ما الذي يعمل
start_version = الإصدار
start_engine = قاعدة البيانات
start_address = العنوان
start_mail = يُرسَل البريد إلى
start_steps = الخطوات الثلاث الأولى
start_key = إنشاء مفتاح API
start_key_text = على الجهاز الذي يعمل عليه نبض. يُعرض المفتاح مرة واحدة فقط.
start_survey = إنشاء استبيان
start_survey_text = الرضا على مقياس من خمس درجات، مع تقرير عام.
start_interaction = إرسال تعامل
start_interaction_text = تذكرة مغلقة. يحمل الرد رابط العميل؛ افتحه وصوّت.
start_more = تابع من هنا
start_mailbox = عرض الرسائل
start_docs = دليل API
start_happiness = تقارير الرضا العامة
start_openapi = وصف API للبرامج (OpenAPI)
start_health = هل الخدمة حية؟
